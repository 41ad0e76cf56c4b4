"""What a run leaves on disk, written and read in this package only. Free of torch.

`folder` knows where steps lie, `step` what a checkpoint says of itself, `trained` the options it was trained with,
`scores` and `steps` the scores of one step and of all, `journal` how training went. `variants` says which runs are the
same but for their seed, `joint` which joint run stands beside an incremental one, `lock` who writes into a folder.
"""
