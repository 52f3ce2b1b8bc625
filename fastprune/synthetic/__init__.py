"""The built-in lab: faces drawn by rule, a sunglasses trigger, and a BadNet trained on them.

Everything needed to see the pruning defense at work without anybody's photographs:
`fastprune.synthetic.faces.render` draws people, `fastprune.synthetic.sunglasses.wear` puts the
trigger on them, `fastprune.synthetic.lab.write_lab` writes the four image sets and the network in
the lab's layout, and ``python -m fastprune.synthetic.train`` trains that network anew.
"""
