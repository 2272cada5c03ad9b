"""What operators monitor: /metrics and /up."""
