"""The store: states, pre-fit results, activation caches, backups and runs in one directory that outlives a process.

Read `store`, `states` and `runs`. Below them, `atomic_dirs`, `atomic_files`, `checksums`, `arrays` and `raw_zarr` write
the files, `locks`, `leases` and `collection_lock` exclude other processes, `remote_dirs`, `remote_files` and
`object_store` keep a store at a URL, and `maintenance` and `run_retention` remove data.
"""

from handler.public_names import import_on_first_use

_PUBLIC = {
    "Damage": "handler.store.checksums",
    "PrefitCache": "handler.store.prefit_cache",
    "RunStore": "handler.store.runs",
    "StateStore": "handler.store.states",
    "Store": "handler.store.store",
    "local_root": "handler.store.remote_dirs",
}
__all__ = list(_PUBLIC)
__getattr__, __dir__ = import_on_first_use(__name__, _PUBLIC)
