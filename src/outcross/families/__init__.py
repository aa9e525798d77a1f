"""Model families. A family's name is its file's name; its hyper-parameters are the fields of its `Learner`."""
