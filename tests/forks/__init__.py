"""Well-known nets in the vocabulary of forks of Caffe, compared with NumPy and with OpenCV."""
