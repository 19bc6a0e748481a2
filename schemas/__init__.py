"""What the words mean: messages, records, units, ids, errors and the codecs. Imports nothing of
ours.
"""
