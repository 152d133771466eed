"""Pages of the dashboard: one module a tab. The first paint is drawn here; afterwards the page asks the API."""
