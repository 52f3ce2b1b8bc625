"""Sets made: from folders of images, and backdoored ones from clean ones and a trigger."""
