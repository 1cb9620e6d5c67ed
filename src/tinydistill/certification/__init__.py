"""Whether a student may take its teacher's place: bounds that hold, calibration, and a cascade of both."""
