"""ST Edge AI Core as something that measures a model: the program `stedgeai` here, or ST's Developer Cloud."""
