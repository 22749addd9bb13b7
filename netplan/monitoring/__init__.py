"""What watches a cluster between two looks: exporter, alerts, dashboard, logs."""
