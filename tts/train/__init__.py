"""Training: the loop that all networks share, what each of them learns from, and recipes.

The modules in the order of a run (`tts train CONFIG`):

    configuration   config.py checks the YAML; task.py has the settings of the loop and the
                    protocols that a task implements; parts.py loads the checkpoints that a
                    task needs
    folder          run_folder.py locks the folder of a run and compares its settings with those
                    of an earlier start
    task            tasks/ has one class for each kind of network
    batches         batches.py draws them in threads, or on the device; resident.py keeps the
                    corpus on the device; sampling.py weights utterances for random crops;
                    waveform_batches.py cuts them for waveform codecs; distortions.py and
                    degradation.py simulate poor recordings
    losses          waveform_losses.py and auxiliaries.py for waveforms; codebook_usage.py logs
                    how codebooks are used
    steps           loop.py runs them, with checkpoints and logs; state.py has the file from which
                    a run resumes; engine.py computes gradients and updates; throughput.py
                    measures their speed; ema.py averages the weights
    results         publish.py writes weights in pieces while the run goes on; durations.py
                    writes what the aligner found into the corpus
    all of it       run.py goes from the checked YAML to the exported weights

Recipes (`tts train --recipe NAME`), which run several trainings one after the other:

    recipe.py         reads and checks them
    recipe_run.py     runs them
    recipe_steps.py   steps between the trainings
    recipe_corpus.py  the corpus that a recipe writes into
"""
