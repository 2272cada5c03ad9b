"""Running the app as a server: start, stop, middleware, connections and error responses."""
