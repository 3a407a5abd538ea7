"""Measures the gateway beside what a user would pick instead, and writes down what came of it."""
