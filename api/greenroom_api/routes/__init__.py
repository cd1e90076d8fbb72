"""HTTP in, HTTP out: each route translates a request for the backend and its outcome into a response."""
