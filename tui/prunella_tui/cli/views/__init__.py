"""What people read: functions from what core found to something that Rich can print. Scripts read ``--json``."""
