"""DFT*: the body and the old classifier stay as they are, new rows learn by plain cross entropy.

Revisiting class-incremental segmentation with pre-trained vision models, 2025, arXiv:2508.04267: fine-tuning hardly
harms the features; what forgets is the classifier, which moves away from them.

    L = CE(z, y), minimised over the rows of the new classes alone      `phases`: all else has the learning rate 0

Everything frozen is in evaluation mode (`resting`). No teacher, no pseudo labels, no memory. That the background of y
hides old classes does no harm here: at a pixel that is not of a new class, the gradient by the score of a new class k
is q_k, whichever old row is called the right one (with cross entropy, and without class weights). Step 0, and a step
that brings no new class, is plain cross entropy over all weights.

Deviation: the authors give the rows of all future classes to the network from the start, so that step 0 trains them
as classes that never occur. Their number would have to be known then; here the rows of a step begin with it.
"""

from saticl.methods.frozen import Frozen


class DFT(Frozen):
    """Cross entropy, which trains the newest head only."""

    asks_teacher = False
