"""Checks: functions of the facts to findings. None asks for anything."""
