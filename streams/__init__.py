"""How events move: the only importer of confluent_kafka, and the composition root of the
product.
"""
