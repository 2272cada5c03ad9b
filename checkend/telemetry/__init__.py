"""Monitoring for operators: /metrics, /up, and the counters behind them."""
