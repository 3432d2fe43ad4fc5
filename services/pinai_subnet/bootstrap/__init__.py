"""One file per process: settings in, running process out. The only place that names an adapter class."""
