package template

func (r *reader) serverless(root *value) (*value, error) { return root, nil }
