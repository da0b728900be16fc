"""What front ends other than JupyterLab make of the markdown that a notebook keeps."""
