"""English function words: what they would be replaced by changes a sentence's grammar, not its matter."""

_WORDS = """
a an the this that these those such same other another each every either neither both all any some no none few many
much more most less least several own

i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
it its itself they them their theirs themselves one ones oneself someone somebody something anyone anybody anything
everyone everybody everything nobody nothing who whom whose which what whoever whatever whichever

am is are was were be been being do does did doing done have has had having can could may might must shall should will
would ought need dare

not nor never only just too very so also even still yet again ever quite rather almost already always often once twice
here there where when why how now then thus hence therefore however else

and or but if unless because since although though while whereas whether than as until till lest

about above across after against along among around at before behind below beneath beside besides between beyond by
despite down during except for from in inside into like near of off on onto out outside over past per through
throughout to toward towards under underneath up upon via with within without

yes oh

s t d m n ll re ve don didn doesn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn mustn needn shan mightn
ain ca wo sha cannot gonna gotta wanna let

b c e f g h j k l o p q r u v w x y z lrb rrb lsb rsb lcb rcb
"""

ENGLISH = frozenset(_WORDS.split())
