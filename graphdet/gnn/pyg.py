"""The names of PyG that we use, imported without the warning of its import.

PyG 2.8 compiles small helpers with torch.jit, which torch 2.15 announces to retire: nothing a user can act
on. In Jupyter without ipywidgets it also misses the progress bars of tqdm, which nobody asks for.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filterwarnings("ignore", "IProgress not found")
    from torch_geometric.data import HeteroData
    from torch_geometric.nn import MessagePassing

__all__ = ["HeteroData", "MessagePassing"]
