"""The program in each runtime pod: it runs the sessions that the operator bound to this pod.

`RuntimePod` is the whole of it but for HTTP and signals, so it also runs on virtual time against an in-memory API
server; `main` adds those.
"""
