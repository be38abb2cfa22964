"""graphkit.training"""
