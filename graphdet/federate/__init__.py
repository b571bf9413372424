"""Learning together without telling: owners of separate logs train one ring judge and one network, and show no row."""
