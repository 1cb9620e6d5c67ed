"""A student's first weights, from its teacher."""
