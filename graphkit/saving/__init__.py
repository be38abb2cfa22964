"""graphkit.saving"""
