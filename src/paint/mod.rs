//! Colour maps, scales and pooling, shared by the screen and the exporters.
