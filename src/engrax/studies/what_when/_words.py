"""What the atlas says of the study in plain words."""

METHOD = """\
A cue is followed by one event or another, each after its own delay and with its own probability.
A population of spiking neurons with fixed random connections answers the cue with a rich response
that differs from moment to moment. Two linear readouts of the same neurons learn from it: "when"
by an error that is known at each millisecond, "what" by one that is known once a trial. Both use
local rules. Their product is the prediction: it peaks when the event is due, as high as the event
is probable.

The study lets one population learn, switches timing or probability without warning, compares with
recursive least squares, and looks at the weights: whether what and when lie in different
directions of the same neurons.
"""
"""What the method is."""

NOTES = {
    "C3": "After switches of timing the local rule is far better than recursive least squares "
    "that is never reset, and after switches of both. After switches of probability alone "
    "it is better on average, but the interval over five reservoirs reaches beyond zero.",
    "C5": "After a switch the weights move most of the way to where the new condition's own "
    "block ended. The components order latency and probability with correlations of about "
    "0.9, which is the line; five seeds cannot put the interval above it.",
}
"""Claim -> what did not hold, what was tried, and what is known of the reason."""
