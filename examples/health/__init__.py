"""A worker in a container, with its health checks: for Docker, ECS and Kubernetes."""
