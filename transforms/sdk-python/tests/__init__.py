# The SDK's tests: python -m unittest, in the folder above.
