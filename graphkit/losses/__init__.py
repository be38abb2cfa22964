"""graphkit.losses"""
