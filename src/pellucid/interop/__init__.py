"""The boxes people already have: networks of ONNX files, PyTorch and scikit-learn, opened and written."""
