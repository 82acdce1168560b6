"""The HTTP shell: translates a call, runs the pipeline, delivers the reply."""
