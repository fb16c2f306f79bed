"""`gan-jax report`: run directories as one HTML page that needs nothing but a browser."""
