__all__ = ('loads', 'load', 'TOMLDecodeError')
__version__ = '2.0.1'
from ._parser import TOMLDecodeError, load, loads
TOMLDecodeError.__module__ = __name__
