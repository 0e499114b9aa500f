//! (to be written by the module's owner)
