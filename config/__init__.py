"""Settings and wiring of the project; the Celery app is loaded with Django, so tasks find their queues."""
