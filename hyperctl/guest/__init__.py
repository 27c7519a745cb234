"""What is the small guest image of the examples and tests, and how is it made from Debian packages?"""
