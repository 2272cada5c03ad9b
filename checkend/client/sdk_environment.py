"""Environment variables that configure the official SDKs."""


def sdk_environment(url: str, ingestion_key: str) -> dict[str, str]:
    """Return the environment variables with which an SDK reports to the server at ``url``."""
    return {"CHECKEND_ENDPOINT": url, "CHECKEND_API_KEY": ingestion_key, "CHECKEND_ENVIRONMENT": "production"}
