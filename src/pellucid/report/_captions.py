"""How to read each figure, in words for somebody who sees it for the first time."""

from ..language import phrase

CURVES = phrase("Where the two lines part, the network begins to learn its rows by heart.")
WATCH = phrase(
    "The variance of every layer's output and of its error signal by epoch. Lines that run to the edge mean a signal "
    "that dies out or blows up."
)
PREDICTED = phrase("Prediction against truth: the closer to the line, the better.")
RESIDUALS = phrase("How often a prediction is off by how much; a good model errs as often to either side of 0.")
CALIBRATION = phrase("Below the line the network is too sure of itself, above it too modest.")
DEPTH = phrase(
    "How much varies in each layer's output (signal), and in the error signal δ that comes back to it (blame). A value "
    "that shrinks or grows by the same factor from layer to layer is a network that is hard to train."
)
NETWORK = phrase(
    "Every line is a weight, as strong as its blame for the loss on these rows: orange where the loss falls if the "
    "weight falls, blue where it falls if the weight grows."
)
NEURONS = phrase("The weights of these neurons, each times the usual variation of its input.")
FILTERS = phrase("The weights of these neurons, which look at every place alike: blue raises one, orange lowers it.")
EFFECT = phrase("The effect of a neuron is how much its output varies, times the norm of its outgoing weights.")
SPREAD = phrase("The thin line is the spread over the repeats.")
PIXELS = phrase("The same at the place of every pixel: the fuller, the larger the drop.")
SHUFFLED = phrase(
    "What drops far rests on that column. Two columns that say the same can stand in for each other, and both look "
    "unimportant."
)
PIECES = phrase(
    "A network of piecewise-linear parts cuts its input into regions, and in each of them it is one linear formula. "
    "What follows is exact: no approximation is drawn, and every sum is checked against the network."
)
REGIONS = phrase(
    "Thin lines are where a unit bends, those of the first layer the strongest. The colour is the answer, fuller where "
    "it is clearer; the strong line is where the answer changes."
)
FILM = phrase("Rest the pointer on it to stop it.")
CONTRIBUTIONS = phrase(
    "The bars are what each input contributed to the output, and sum to it. The lines show how far each input could "
    "move alone before another formula takes over."
)
REACHED = phrase("What the training reaches, beside always the same answer and the best of all that was tried.")
GLANCE = phrase("How much of what is missing the cure of each finding brings by itself, on the rows learned from.")
CURED = phrase("Each line is one draw of the start, trained as it was and with the change.")
FOOT = phrase("Made by Pellucid. Every figure says its numbers where the pointer rests on it.")
