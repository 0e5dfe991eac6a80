"""The files in which Keras saves a model, and the objects that it saves there."""

from keras.src.saving.keras_saveable import KerasSaveable as KerasSaveable
from keras.src.saving.saving_lib import H5IOStore as H5IOStore
from keras.src.saving.saving_lib import _walk_saveable
from keras.src.utils.naming import to_snake_case as to_snake_case  # the name of an object of a class in a list

walk_saveable = _walk_saveable  # yields `(attribute, child)` for each attribute of an object that Keras saves
