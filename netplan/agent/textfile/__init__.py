"""Run on nodes by a timer, where the plan says ``monitoring:``; what counts there as a file for node_exporter.

Never sent with a request's code to be run by it: the bundle has it as one script, see netplan.host.monitoring.
"""
