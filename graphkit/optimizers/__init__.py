"""graphkit.optimizers"""
