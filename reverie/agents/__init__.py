"""Agents: actors and the policy networks; acting, saving and loading."""
