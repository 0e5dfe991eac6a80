"""Files that callbacks append to, restored when a training resumes: CSV files and TensorBoard's event files.

Read `log_files`, `csv_log`, `event_log`, `choice`.
"""
