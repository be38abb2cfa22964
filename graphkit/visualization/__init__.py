"""graphkit.visualization"""
