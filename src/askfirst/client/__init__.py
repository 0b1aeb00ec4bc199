"""What runs inside other people's programs; standard library only, silent, about a millisecond."""
