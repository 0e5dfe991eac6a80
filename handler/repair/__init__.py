"""Repair of a damaged store: retrains states, regenerates files, removes caches.

Read `store_repair`, `assignment`, `run_repair`, `removal`.
"""
