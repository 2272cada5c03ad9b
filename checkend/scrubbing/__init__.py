"""Remove secrets from reports and limit their size. Pure: imports neither Flask nor SQLAlchemy."""
